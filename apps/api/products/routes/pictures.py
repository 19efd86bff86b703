"""/products/{id}/picture: upload, download, delete."""

from collections.abc import Iterator
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse

from products import pictures, store
from products.db import Database
from products.models import Picture
from products.routes import NOT_FOUND, TOO_LARGE, UNAVAILABLE, WRONG_TYPE, DatabaseDep, Responses

_BYTES: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_CONTENT = dict.fromkeys(pictures.TYPES, _BYTES)
READ: Responses = {404: NOT_FOUND, 503: UNAVAILABLE}
DOWNLOAD: Responses = {**READ, 200: {"content": _CONTENT}, 304: {"description": "The client has this picture."}}
UPLOAD: Responses = {**READ, 413: TOO_LARGE, 415: WRONG_TYPE}

router = APIRouter(prefix="/products/{product_id}/picture", tags=["pictures"])


@router.put(
    "",
    status_code=204,
    responses=UPLOAD,
    openapi_extra={"requestBody": {"required": True, "content": _CONTENT}},
)
async def put_picture(
    request: Request,
    database: DatabaseDep,
    product_id: int,
    content_type: Annotated[str, Header(include_in_schema=False)] = "",
) -> None:
    """Upload a picture (the body is its bytes), in place of the one there is."""
    data, threads = await request.body(), request.app.state.upload_threads
    await to_thread.run_sync(_store, database, product_id, content_type, data, limiter=threads)


def _store(database: Database, product_id: int, content_type: str, data: bytes) -> None:
    kind = pictures.checked_type(content_type, data)
    picture = Picture(product_id=product_id, content_type=kind, etag=pictures.etag(data), data=data)
    with database.session() as session:
        store.put_picture(session, picture)


@router.get("", responses=DOWNLOAD, response_class=Response)
def get_picture(
    database: DatabaseDep,
    product_id: int,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Download a picture."""
    with database.session() as session:
        picture = store.picture_tag(session, product_id)
        headers = {
            "ETag": f'"{picture.etag}"',
            "Cache-Control": "no-cache",
            # Whatever a browser makes of the bytes, it runs nothing in them.
            "Content-Security-Policy": "default-src 'none'; sandbox",
        }
        if pictures.matches(if_none_match, picture.etag):
            return Response(status_code=304, headers=headers)
        headers["Content-Length"] = str(picture.size)
        first = store.picture_part(session, picture, 0)
    return StreamingResponse(_parts(database, picture, first), media_type=picture.content_type, headers=headers)


def _parts(database: Database, picture: Picture, first: bytes) -> Iterator[bytes]:
    """Read the rest only as fast as the client takes it: a whole picture each is too much for many who take none."""
    yield first
    for begin in range(store.PART_BYTES, picture.size, store.PART_BYTES):
        with database.session() as session:
            part = store.picture_part(session, picture, begin)
        yield part


@router.delete("", status_code=204, responses=READ)
def delete_picture(database: DatabaseDep, product_id: int) -> None:
    """Delete the picture of a product."""
    with database.session() as session:
        store.remove_picture(session, product_id)
