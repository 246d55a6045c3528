"""Images the lab needs: pulled where a registry answers, else put together from Debian packages."""
