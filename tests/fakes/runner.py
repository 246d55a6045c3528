"""A runner that answers from a script instead of starting processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tasks.kernel.errors import TerminalError
from tasks.kernel.protocols import Call, LineSink, Result

Effect = Callable[[Call], Result | None]


@dataclass(frozen=True)
class Answer:
    """What a command answers.

    Attributes:
        words: Words that must occur in the command, in this order.
        exit_code: Its exit status.
        stdout: Its standard output.
        stderr: Its standard error.
        error: Raised in place of an answer.
        effect: Called with the call; what it returns, if anything, is the result.
        seconds: How long it would take; a limit below that ends it, without waiting.
        lasts: How many calls it answers; None for any number.
    """

    words: tuple[str, ...]
    exit_code: int = 0
    stdout: str = ""
    stderr: str = ""
    error: Exception | None = None
    effect: Effect | None = None
    seconds: float = 0.0
    lasts: int | None = None

    def fits(self, argv: tuple[str, ...]) -> bool:
        """Say whether the words occur in the command, in order."""
        rest = iter(argv)
        return all(word in rest for word in self.words)


class FakeRunner:
    """A `Runner` whose commands do what the test says. A command nobody expected fails the test.

    A few harmless programs work by themselves: `true`, `false`, `pwd`, `echo`, `cat` of standard input, and
    `printf %s TEXT`.

    Args:
        name: The name people know it by.

    Attributes:
        calls: Every call, oldest first.
    """

    def __init__(self, name: str = "fake") -> None:
        self._name = name
        self._answers: list[tuple[Answer, list[None]]] = []
        self.calls: list[Call] = []

    @property
    def name(self) -> str:
        return self._name

    def answer(
        self,
        *words: str,
        exit_code: int = 0,
        stdout: str = "",
        stderr: str = "",
        error: Exception | None = None,
        effect: Effect | None = None,
        seconds: float = 0.0,
        lasts: int | None = None,
    ) -> None:
        """Say what commands with these words answer; what was said last goes first."""
        said = Answer(words, exit_code, stdout, stderr, error, effect, seconds, lasts)
        self._answers.insert(0, (said, []))

    def argvs(self, *words: str) -> list[tuple[str, ...]]:
        """Return the commands that were run and hold these words, in order."""
        wanted = Answer(words)
        return [call.argv for call in self.calls if wanted.fits(call.argv)]

    def run(self, call: Call, *, on_line: LineSink | None = None) -> Result:
        self.calls.append(call)
        found = self._find(call)
        result = self._answered(found, call) if found is not None else self._by_itself(call)
        if on_line is not None:
            for line in (result.stdout + result.stderr).splitlines():
                on_line(line)
        return result

    def _find(self, call: Call) -> Answer | None:
        for answer, used in self._answers:
            if answer.fits(call.argv) and (answer.lasts is None or len(used) < answer.lasts):
                used.append(None)
                return answer
        return None

    def _answered(self, answer: Answer, call: Call) -> Result:
        limit = min(call.limits.total_seconds, call.limits.idle_seconds)
        if answer.seconds > limit:
            raise TerminalError(
                f"{call.argv[0]} on {self.name} took longer than {limit:g} s and was ended",
                "raise its timeout",
            )
        if answer.error is not None:
            raise answer.error
        done = answer.effect(call) if answer.effect is not None else None
        return done or Result(call.argv, answer.exit_code, answer.stdout, answer.stderr, answer.seconds)

    def _by_itself(self, call: Call) -> Result:
        text, code = "", 0
        match call.argv:
            case ("true",):
                pass
            case ("false",):
                code = 1
            case ("pwd",):
                text = f"{call.cwd or self._home()}\n"
            case ("echo", *words):
                text = " ".join(words) + "\n"
            case ("printf", "%s", word):
                text = word
            case ("cat",):
                text = (call.stdin or b"").decode(errors="replace")
            case ("sleep", seconds):
                return self._answered(Answer(call.argv, seconds=float(seconds)), call)
            case _:
                raise AssertionError(
                    f"{self.name} was asked to run {call.argv}, which the test does not answer"
                )
        return Result(call.argv, code, text, "", 0.0)

    def _home(self) -> str:
        return "/home/deploy"
