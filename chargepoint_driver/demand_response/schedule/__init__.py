"""Schedules and prices: limits by time, by price and by the cheapest hours, as one plan.

Pure: no input or output, and the time is passed in.
"""

from chargepoint_driver.demand_response.schedule.config import ScheduleConfig
from chargepoint_driver.demand_response.schedule.engine import Needs, Period, Schedule
from chargepoint_driver.demand_response.schedule.prices import Prices

__all__ = ["Needs", "Period", "Prices", "Schedule", "ScheduleConfig"]
