"""The site cap: `chargepoint_driver.adapters.agents.site_cap`."""

from __future__ import annotations

from chargepoint_driver.adapters.agents.site_cap import SiteCapAgent, main

__all__ = ["SiteCapAgent"]

if __name__ == "__main__":
    main()
