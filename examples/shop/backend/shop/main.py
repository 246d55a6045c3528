"""The application uvicorn serves."""

from shop.api import create_app
from shop.database import connect
from shop.settings import Settings

settings = Settings.from_environment()
app = create_app(settings, connect(settings.database_url))
