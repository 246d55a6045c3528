const byId = (id) => document.getElementById(id);
const money = (cents, currency) => `${(cents / 100).toFixed(2)} ${currency}`;

let currency = "";
let chosen = null;
let order = null;

async function call(path, options) {
  const response = await fetch(`/api/${path}`, options);
  const body = await response.json().catch(() => ({}));
  if (!response.ok) {
    throw new Error(typeof body.detail === "string" ? body.detail : `The shop answered ${response.status}.`);
  }
  return body;
}

function post(path, body) {
  return call(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

async function attempt(action) {
  byId("problem").hidden = true;
  try {
    await action();
  } catch (error) {
    byId("problem").textContent = error.message;
    byId("problem").hidden = false;
  }
}

function card(product) {
  const article = document.createElement("article");
  const button = element("button", product.stock ? "Order" : "Sold out");
  button.disabled = !product.stock;
  button.addEventListener("click", () => choose(product));
  article.append(
    element("h3", product.name),
    element("p", product.description),
    element("span", `${product.price} ${product.currency}`, "price"),
    element("span", `${product.stock} on the shelf`, "stock"),
    button,
  );
  return article;
}

function choose(product) {
  chosen = product;
  byId("wanted").textContent = product.name;
  byId("order").hidden = false;
  byId("receipt").hidden = true;
  byId("order").elements.quantity.focus();
}

async function showProducts() {
  const products = await call("products");
  currency = products[0]?.currency ?? "";
  byId("products").replaceChildren(...products.map(card));
}

async function showAbout() {
  const about = await call("health");
  byId("about").textContent =
    `Version ${about.version} · schema ${about.schema} · release ${about.release} · ${about.environment}`;
}

const SAID = {
  placed: "We are looking on the shelf …",
  reserved: "Set aside for you. It is yours once paid.",
  paid: "Paid. It leaves with the next tide.",
  expired: "Nobody paid in time; it went back on the shelf.",
  "sold out": "Somebody was faster. Nothing will be charged.",
};

function showOrder() {
  byId("receipt").hidden = false;
  byId("number").textContent = `${order.id}: ${order.quantity} × ${order.product}`;
  byId("status").textContent = SAID[order.status] ?? order.status;
  byId("pay").hidden = order.status !== "reserved";
  byId("total").textContent = money(order.total_cents, currency);
}

async function follow() {
  while (order.status === "placed") {
    await new Promise((resume) => setTimeout(resume, 400));
    order = await call(`orders/${order.reference}`);
    showOrder();
  }
  await showProducts();
}

function orderFrom(form) {
  return { sku: chosen.sku, quantity: Number(form.get("quantity")), email: form.get("email") };
}

byId("order").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => {
    order = await post("orders", orderFrom(new FormData(event.target)));
    byId("order").hidden = true;
    showOrder();
    await follow();
  });
});

byId("pay").addEventListener("click", () =>
  attempt(async () => {
    order = await post(`orders/${order.reference}/payment`, {});
    showOrder();
  }),
);

attempt(showProducts);
attempt(showAbout);
