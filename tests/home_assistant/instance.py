"""A real Home Assistant with its MQTT integration and nothing else, told what to do by lines.

Runs under the Python of `make home-assistant`: ``python instance.py FOLDER BROKER_PORT HTTP_PORT``.
Each line of standard input is JSON, ``[what, ...]``; each is answered by a line of JSON on standard
output. What it logs goes to standard error.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path
from types import MappingProxyType
from typing import Any

from homeassistant import auth, bootstrap, config_entries, core, loader
from homeassistant.components.mqtt.const import CONFIG_ENTRY_MINOR_VERSION, CONFIG_ENTRY_VERSION
from homeassistant.helpers import device_registry, entity_registry
from homeassistant.setup import async_setup_component


async def started(folder: str, broker_port: int, http_port: int) -> core.HomeAssistant:
    """Home Assistant with its state in `folder`, connected to a broker of the loopback."""
    hass = core.HomeAssistant(folder)
    # What is missing is an error, and not fetched.
    hass.config.skip_pip = True
    loader.async_setup(hass)
    hass.config_entries = config_entries.ConfigEntries(hass, {})
    await bootstrap.async_load_base_functionality(hass)
    hass.auth = await auth.auth_manager_from_config(hass, [], [])
    await async_setup_component(hass, "homeassistant", {})
    http = {"server_host": ["127.0.0.1"], "server_port": http_port}
    await async_setup_component(hass, "http", {"http": http})
    if not hass.config_entries.async_entries("mqtt"):
        entry = config_entries.ConfigEntry(
            version=CONFIG_ENTRY_VERSION,
            minor_version=CONFIG_ENTRY_MINOR_VERSION,
            domain="mqtt",
            title="a broker",
            data={"broker": "127.0.0.1", "port": broker_port},
            options={},
            source=config_entries.SOURCE_USER,
            unique_id=None,
            discovery_keys=MappingProxyType({}),
            subentries_data=None,
        )
        await hass.config_entries.async_add(entry)
    await async_setup_component(hass, "mqtt", {})
    await hass.async_start()
    return hass


async def answered(hass: core.HomeAssistant, request: list[Any]) -> Any:
    """What is asked for: ``states``, ``entities``, ``devices``, or a call of a service."""
    what, *arguments = request
    match what:
        case "states":
            return {
                state.entity_id: {"state": state.state, "attributes": dict(state.attributes)}
                for state in hass.states.async_all()
            }
        case "entities":
            return {
                entry.entity_id: {
                    "unique_id": entry.unique_id,
                    "category": entry.entity_category,
                    "device_class": entry.original_device_class,
                }
                for entry in entity_registry.async_get(hass).entities.values()
            }
        case "devices":
            return [
                {"name": one.name, "identifiers": sorted(map(list, one.identifiers))}
                for one in device_registry.async_get(hass).devices.values()
            ]
        case "call":
            domain, service, data = arguments
            await hass.services.async_call(domain, service, data, blocking=True)
            return None
        case "image":
            entity = hass.data["image"].get_entity(arguments[0])
            image = await entity.async_image()
            return len(image or b"")
    raise ValueError(what)


async def main() -> None:
    """Until standard input ends."""
    folder, *ports = sys.argv[1:]
    Path(folder).mkdir(exist_ok=True)
    Path(folder, "configuration.yaml").touch()
    hass = await started(folder, *map(int, ports))
    print(json.dumps("ready"), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        answer = await answered(hass, json.loads(line))
        print(json.dumps(answer, default=str), flush=True)
    await hass.async_stop(force=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    asyncio.run(main())
