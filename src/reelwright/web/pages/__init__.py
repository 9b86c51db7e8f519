"""The viewer's pages, one noun a module; `ROUTES` are all of them."""

from reelwright.web.pages import door, profiles, settings, shell, watching

ROUTES = (
    door.DoorPages, profiles.ProfilePages, watching.WatchPages, settings.SettingsPages,
    shell.offline, shell.static, shell.service_worker, shell.nothing,
)  # fmt: skip
