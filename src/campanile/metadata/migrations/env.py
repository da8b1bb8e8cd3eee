"""Run by Alembic; the caller passes its connection, inside a transaction of its own."""

from alembic import context

from campanile.metadata import hooks  # noqa: F401  # its tables are part of Base, too
from campanile.metadata.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
