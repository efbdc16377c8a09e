"""The recorded verdicts: one row for an assertion of a test, one column for a runtime."""

RUNTIMES = ("ocipy", "runc", "crun")
WHOLE = "(test)"  # the row that holds the verdict on a test as a whole


class Change:
    """A verdict that differs from the recorded one: worse (a regression) or better."""

    def __init__(self, test, assertion, recorded, now):
        self.test, self.assertion, self.recorded, self.now = test, assertion, recorded, now

    @property
    def worse(self):
        """A recorded pass that is none now.  A skip that fails is no regression: nothing was promised."""
        return self.recorded == "pass" and self.now != "pass"

    def __str__(self):
        return f"{self.test}: {self.assertion}: was {self.recorded or 'absent'}, is {self.now or 'absent'}"


class Table:
    """Recorded verdicts, and with what they were recorded.

    rows:  {(test, assertion): {runtime: verdict}}
    about: {runtime: "version, host"}, and the same of what a test is of
    """

    def __init__(self):
        self.rows, self.about = {}, {}

    def verdicts(self, runtime, test):
        """{assertion: verdict} of one test and runtime, the test as a whole included."""
        return {a: v[runtime] for (t, a), v in self.rows.items() if t == test and v.get(runtime)}

    def tests(self):
        return sorted({test for test, _ in self.rows})

    def put(self, runtime, test, outcome):
        """Record what a runtime did in a test, in place of what was there."""
        for key in [k for k in self.rows if k[0] == test]:
            self.rows[key].pop(runtime, None)
            if not self.rows[key]:
                del self.rows[key]
        for assertion, verdict in {WHOLE: outcome.verdict, **outcome.assertions}.items():
            self.rows.setdefault((test, assertion), {})[runtime] = verdict

    def compare(self, runtime, test, outcome):
        """Every `Change` of a test against the record."""
        before, now = self.verdicts(runtime, test), {WHOLE: outcome.verdict, **outcome.assertions}
        names = dict.fromkeys([*before, *now])
        return [
            Change(test, name, before.get(name, ""), now.get(name, ""))
            for name in names
            if before.get(name, "") != now.get(name, "")
        ]


def load(path):
    """The table in a file; an empty one when there is none."""
    table = Table()
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return table
    header = None
    for line in lines:
        if line.startswith("# "):
            name, _, about = line[2:].partition(": ")
            table.about[name] = about
        elif header is None:
            header = line.split("\t")[2:]
        elif line:
            test, assertion, *verdicts = line.split("\t")
            table.rows[test, assertion] = {r: v for r, v in zip(header, verdicts) if v}
    return table


def save(table, path):
    """Write a table so that a diff shows what changed: sorted, a line for a row."""
    extra = sorted({r for row in table.rows.values() for r in row} - set(RUNTIMES))
    runtimes = [*RUNTIMES, *extra]
    names = [*runtimes, *sorted(set(table.about) - set(runtimes))]
    lines = [f"# {name}: {table.about[name]}" for name in names if name in table.about]
    lines.append("\t".join(["test", "assertion", *runtimes]))
    for test, assertion in sorted(table.rows, key=lambda key: (key[0], key[1] != WHOLE, key[1])):
        row = table.rows[test, assertion]
        lines.append("\t".join([test, assertion, *(row.get(r, "") for r in runtimes)]))
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
