-- risk: additive
CREATE TABLE coupons (
    id SERIAL NOT NULL,
    code VARCHAR(20) NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (code)
);
CREATE INDEX ix_coupons_code ON coupons (code);
ALTER TABLE coupons ADD COLUMN kind TEXT NOT NULL;
ALTER TABLE coupons ADD CONSTRAINT ck CHECK (kind <> '');
INSERT INTO coupons (code, kind) VALUES ('X', 'y');
UPDATE coupons SET kind = 'z';
