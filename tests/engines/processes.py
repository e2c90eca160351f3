"""Processes of this machine, and where they listen."""

from pathlib import Path


def family(pid):
    """A process's children, and theirs."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = status.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            parents.setdefault(int(parent), set()).add(int(status.parent.name))
    found, new = set(), {pid}
    while new := set().union(*(parents.get(one, set()) for one in new)) - found:
        found |= new
    return found


def listening(pids):
    """Addresses in hexadecimal digits at which processes await connections."""
    sockets = set()
    for pid in pids:
        for one in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                sockets.add(str(one.readlink()))
            except OSError:
                continue
    text = "\n".join(Path(f"/proc/net/{kind}").read_text() for kind in ("tcp", "tcp6"))
    rows = [line.split() for line in text.splitlines() if line]
    return {row[1].split(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets}
