"""`python -m service`: the sub-commands of `cs3 service`."""

from service.cli import app

if __name__ == "__main__":
    app(prog_name="cs3 service")
