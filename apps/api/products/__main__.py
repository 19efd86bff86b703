"""Entry point of ``python -m products``."""

from products.main import main

if __name__ == "__main__":
    raise SystemExit(main())
