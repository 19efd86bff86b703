"""The paths of the API."""

from typing import Annotated, Any

from fastapi import Depends, Request

from products.db import Database
from products.schemas import Problem


# Not one of the threads that may all be waiting for the database: "async" takes none.
async def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


DatabaseDep = Annotated[Database, Depends(_database)]

UNAVAILABLE = {"model": Problem, "description": "The database is away; Retry-After says when to ask again."}
NOT_FOUND = {"model": Problem, "description": "There is no such product, picture or page."}
TOO_LARGE = {"model": Problem, "description": "The body is too large."}
WRONG_TYPE = {"model": Problem, "description": "The body is of a type that is not taken."}

Responses = dict[int | str, dict[str, Any]]
