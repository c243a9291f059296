"""The page's server: configuration in, uvicorn until it is told to stop."""

import os
import secrets
from pathlib import Path

import uvicorn

from console.accounts import Accounts
from console.config import Config, host_and_port
from console.errors import ConsoleError
from console.service import Console
from console.web.app import make_app

SESSION_KEY_FILE = "session.key"


def serve(config: Config, path: Path) -> None:
    """Raises ConsoleError."""
    host, port = host_and_port(config.web.listen, "web.listen")
    app = make_app(Console(config), Accounts(Path(config.web.users)), config.web, _session_key(path.parent))
    scheme = "https" if config.web.certificate else "http"
    print(f"Console: {scheme}://{config.web.listen}/ (Ctrl-C ends it)", flush=True)
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_level="warning",
        ssl_certfile=config.web.certificate or None,
        ssl_keyfile=config.web.key or None,
        timeout_graceful_shutdown=1,
        server_header=False,
    )


def _session_key(folder: Path) -> bytes:
    """Signs the sessions. Made once; consoles behind one address share the file."""
    path = folder / SESSION_KEY_FILE
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
    except FileExistsError:
        pass
    except OSError as error:
        raise ConsoleError(f"{path}: cannot be written ({error.strerror})", "check the folder's permissions") from error
    return path.read_bytes()
