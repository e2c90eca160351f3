"""`cs3 service`: run the service, its keys, and what it keeps."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cascade.console import FAILED, reported, say
from cascade.engines.address import check_within_reach
from cascade.errors import CS3Error

if TYPE_CHECKING:
    from service.context import Service
    from service.keys import KeyStore
    from service.settings import Settings

app = typer.Typer(
    help="Run CS3 as a service that laboratory software calls over HTTP.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
keys_app = typer.Typer(help="Make, show, rotate and revoke API keys.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")

Parent = Annotated[
    int | None,
    typer.Option(
        "--parent", metavar="PID", hidden=True, help="End with this process, which started this one."
    ),
]


@app.command()
def start(
    *,
    host: Annotated[
        str | None,
        typer.Option("--host", metavar="ADDRESS", help="Address to bind to.  [default: 127.0.0.1]"),
    ] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port to bind to.  [default: 8080]")] = None,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="Folder for everything that is kept.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=0, help="Worker processes.  [default: one a GPU, else one]")
    ] = None,
) -> None:
    """Run the service: API, workers, page, all in one.

    Every setting is an environment variable, CS3_SERVICE_…; see docs/service.md.
    """
    with reported():
        settings = _settings(host=host, port=port, data=data, workers=workers)
        _refuse_open_doors(settings)
        check_within_reach(settings.engine)
        from service.supervisor import Supervisor  # noqa: PLC0415  only where it runs

        for name, value in settings.shown().items():
            say(f"  {name} = {value}")
        say(f"CS3 listens at http://{settings.host}:{settings.port} once it has started; Ctrl-C ends it.")
        Supervisor(settings).run()


@app.command()
def api(*, parent: Parent = None) -> None:
    """Run the API alone; workers run elsewhere."""
    with reported():
        settings = _settings()
        _refuse_open_doors(settings)
        from service.server import serve  # noqa: PLC0415

        serve(settings, parent)


@app.command()
def workers() -> None:
    """Run the workers of this machine alone; the API runs elsewhere."""
    with reported():
        settings = _settings()
        check_within_reach(settings.engine)
        from service.supervisor import Supervisor  # noqa: PLC0415

        Supervisor(settings, with_api=False).run()


@app.command(hidden=True)
def worker(
    *,
    device: Annotated[str, typer.Option("--device", help="Of the model.")] = "cpu",
    worker_id: Annotated[str | None, typer.Option("--worker-id", help="In the database.")] = None,
    parent: Parent = None,
) -> None:
    """Run one worker."""
    with reported(FAILED):
        from service.worker import run_worker  # noqa: PLC0415

        run_worker(_settings(), device, worker_id, parent)


@app.command()
def settings() -> None:
    """Show every setting, passwords left out."""
    with reported():
        for name, value in _settings().shown().items():
            typer.echo(f"CS3_SERVICE_{name.upper()}={value}")


@app.command()
def openapi(
    *, out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write it there.")] = None
) -> None:
    """Print the API's description, OpenAPI 3.1 as YAML."""
    with reported():
        from service.openapi import as_yaml  # noqa: PLC0415

        text = as_yaml()
        if out is None:
            typer.echo(text, nl=False)
        else:
            out.write_text(text, "utf-8")


@app.command()
def retention(
    *,
    verify: Annotated[bool, typer.Option("--verify", help="Only look for what should be gone.")] = False,
) -> None:
    """Delete what has been kept long enough, and show that nothing is left of it."""
    with reported():
        from service.retention import Retention  # noqa: PLC0415

        service = _service()
        chore = Retention(service)
        if not verify:
            typer.echo(f"Deleted images or results of {chore.run()} jobs.")
        left = chore.left_over()
        for key in left:
            typer.echo(key)
        typer.echo(f"Files that should be gone: {len(left)}.")
    if left:
        raise typer.Exit(FAILED)


@app.command()
def audit(
    *,
    job: Annotated[
        str | None, typer.Option("--job", metavar="ID", help="Only what concerns this job.")
    ] = None,
    most: Annotated[int, typer.Option("--most", min=1, help="Notes at most, the latest first.")] = 1000,
) -> None:
    """Print who asked what, a JSON object a line, the latest first."""
    with reported():
        for row in _service().audit.read(most, job):
            typer.echo(json.dumps(dict(row) | {"at": _shown(row["at"])}))


# -- keys


@keys_app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who or what will use it.")],
    *,
    scopes: Annotated[
        str, typer.Option("--scopes", help="Any of submit,read,review,metrics,admin.")
    ] = "submit,read,review",
    days: Annotated[
        float | None, typer.Option("--days", min=0.01, help="Until it expires.  [default: never]")
    ] = None,
) -> None:
    """Make a key and show it, once."""
    with reported():
        key_id, key = _keys().create(
            name, [scope.strip() for scope in scopes.split(",") if scope.strip()], days
        )
        say(f"Key {key_id} for {name}. Keep it well: it is not shown again.")
        typer.echo(key)


@keys_app.command("list")
def list_keys() -> None:
    """Show all keys, without their secrets."""
    with reported():
        for row in _keys().list():
            state = "revoked" if row["revoked_at"] else "expired" if _is_past(row["expires_at"]) else "good"
            typer.echo(
                f"{row['id']}  {state:8} {','.join(row['scopes']):24} made {_shown(row['created_at'])}  "
                f"used {_shown(row['last_used_at'])}  {row['name']}"
            )


@keys_app.command("rotate")
def rotate_key(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `keys list` shows it.")],
    *,
    grace_hours: Annotated[
        float, typer.Option("--grace-hours", min=0, help="How long the old one works on.")
    ] = 24,
) -> None:
    """Give a key a new secret and show it, once; scopes and jobs stay."""
    with reported():
        key = _keys().rotate(key_id, grace_hours)
        say(f"The old secret of {key_id} works for {grace_hours:g} more hours.")
        typer.echo(key)


@keys_app.command("revoke")
def revoke_key(key_id: Annotated[str, typer.Argument(metavar="ID", help="As `keys list` shows it.")]) -> None:
    """Let a key work no more."""
    with reported():
        _keys().revoke(key_id)
        say(f"Key {key_id} is revoked; running services notice within seconds.")


# -- what the commands share


def _settings(**given: object) -> Settings:
    try:
        from service.logs import set_up_log  # noqa: PLC0415  only where it runs
        from service.settings import Settings  # noqa: PLC0415
    except ImportError as error:
        raise CS3Error(
            f"expected the libraries of the service, found that one is missing ({error.name}); "
            "install them: pip install 'cs3[service]'"
        ) from error
    settings = Settings.load(**given)
    set_up_log(settings.log_level)
    return settings


def _service() -> Service:
    settings = _settings()
    from service.context import open_service  # noqa: PLC0415

    return open_service(settings)


def _keys() -> KeyStore:
    settings = _settings()
    from service.database import Database  # noqa: PLC0415
    from service.keys import KeyStore  # noqa: PLC0415

    database = Database(settings.database)
    database.create()
    return KeyStore(database)


def _refuse_open_doors(settings: Settings) -> None:
    """Whoever can reach the service from elsewhere must show a key, so one must exist."""
    if settings.on_loopback:
        return
    from service.database import Database  # noqa: PLC0415
    from service.keys import KeyStore  # noqa: PLC0415

    database = Database(settings.database)
    database.create()
    usable = KeyStore(database).usable()
    database.close()
    if not usable:
        raise CS3Error(
            f"expected an API key before listening at {settings.host}, found none; make one with "
            "`cs3 service keys create NAME`, or listen at 127.0.0.1"
        )


def _shown(seconds: float | None) -> str:
    return "never" if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _is_past(seconds: float | None) -> bool:
    return seconds is not None and seconds < datetime.now(UTC).timestamp()
