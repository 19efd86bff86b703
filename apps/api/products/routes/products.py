"""/products: list, read, create, change, delete."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from products import store
from products.models import Product
from products.routes import NOT_FOUND, TOO_LARGE, UNAVAILABLE, WRONG_TYPE, DatabaseDep, Responses
from products.schemas import MAX_PAGE, ProductIn, ProductOut, ProductPage, ProductPatch

READ: Responses = {404: NOT_FOUND, 503: UNAVAILABLE}
CREATE: Responses = {413: TOO_LARGE, 415: WRONG_TYPE, 503: UNAVAILABLE}

router = APIRouter(prefix="/products", tags=["products"])


@router.get("", responses=READ)
def list_products(
    database: DatabaseDep,
    q: Annotated[str, Query(max_length=100, description="Text that the name or description contains.")] = "",
    page: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 1,
    size: Annotated[int, Query(ge=1, le=100)] = 12,
) -> ProductPage:
    """List products by id, page by page. A page past the last is a 404; the first is always there."""
    with database.session() as session:
        found = store.find_products(session, q.strip(), page, size)
    pages = max(1, -(-found.total // size))
    if page > pages:
        raise store.NotFoundError(f"there is no page {page}: the last one is {pages}")
    items = [_shown(product) for product in found.items]
    return ProductPage(items=items, total=found.total, page=page, size=size, pages=pages)


@router.post("", status_code=201, responses=CREATE)
def create_product(database: DatabaseDep, product: ProductIn, response: Response) -> ProductOut:
    """Create a product; Location names its path."""
    with database.session() as session:
        created = store.add_product(session, product.model_dump())
    response.headers["Location"] = f"/products/{created.id}"
    return _shown(created)


@router.get("/{product_id}", responses=READ)
def read_product(database: DatabaseDep, product_id: int) -> ProductOut:
    """Read one product."""
    with database.session() as session:
        return _shown(store.get_product(session, product_id))


@router.put("/{product_id}", responses={**READ, **CREATE})
def replace_product(database: DatabaseDep, product_id: int, product: ProductIn) -> ProductOut:
    """Replace all fields of a product; its picture stays."""
    with database.session() as session:
        return _shown(store.change_product(session, product_id, product.model_dump()))


@router.patch("/{product_id}", responses={**READ, **CREATE})
def change_product(database: DatabaseDep, product_id: int, product: ProductPatch) -> ProductOut:
    """Change some fields of a product."""
    with database.session() as session:
        return _shown(store.change_product(session, product_id, product.changes()))


@router.delete("/{product_id}", status_code=204, responses=READ)
def delete_product(database: DatabaseDep, product_id: int) -> None:
    """Delete a product and its picture."""
    with database.session() as session:
        store.remove_product(session, product_id)


def _shown(product: Product) -> ProductOut:
    return ProductOut.model_validate(product)
