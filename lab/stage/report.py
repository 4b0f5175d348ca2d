"""What a benchmark found: a table for people, an object for programs."""

import statistics


def percentile(values, share):
    """The smallest value that `share` of all do not exceed; none of nothing."""
    ordered = sorted(values)
    if not ordered:
        return None
    rank = max(0, min(len(ordered) - 1, -(-share * len(ordered) // 100) - 1))
    return ordered[int(rank)]


def median(values):
    """The middle value; none of nothing."""
    return statistics.median(values) if values else None


def show(value):
    """A value as a cell."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.2f}"
    return str(value)


class Report:
    """Ours at the top of the object, the alternatives under `peers`, what was asked under `arguments`."""

    def __init__(self, title, columns, arguments):
        self.title, self.columns, self.arguments = title, columns, arguments
        self.rows, self.notes, self.top = [], [], {}

    def ours(self, **figures):
        """Figures at the top of the JSON object."""
        self.top.update(figures)

    def row(self, name, figures):
        """One way to deliver, with its figures by name."""
        self.rows.append((name, figures))

    def note(self, text):
        """A line under the table."""
        self.notes.append(text)

    def json(self):
        """The object."""
        peers = {name: figures for name, figures in self.rows}
        return {**self.top, "peers": peers, "notes": self.notes, "arguments": self.arguments}

    def text(self):
        """The table."""
        head = ["", *self.columns.values()]
        cells = [[name, *(show(figures.get(key)) for key in self.columns)] for name, figures in self.rows]
        widths = [max(len(row[i]) for row in [head, *cells]) for i in range(len(head))]
        lines = [self.title]
        for row in [head, *cells]:
            first = f"{row[0]:<{widths[0]}}"
            lines.append("  ".join([first, *(f"{c:>{w}}" for c, w in zip(row[1:], widths[1:]))]).rstrip())
        return "\n".join(lines + self.notes)


def plain_arguments(args):
    """The arguments that say what was run, without those that say how to report."""
    hidden = {"json", "list", "name", "binary", "keep_logs", "verbose"}
    return {key: value for key, value in vars(args).items() if key not in hidden}
