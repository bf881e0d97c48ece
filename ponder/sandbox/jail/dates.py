"""Dates, times and time zones as data, and back. None from a writer: its zone is of no known kind."""


def write_datetime(value, other):
    zone = write_zone(value.tzinfo)
    if zone is None:
        return None
    return {"~datetime": [*value.timetuple()[:6], value.microsecond, value.fold, zone]}


def write_time(value, other):
    zone = write_zone(value.tzinfo)
    if zone is None:
        return None
    return {"~time": [value.hour, value.minute, value.second, value.microsecond, value.fold, zone]}


def write_zone(zone) -> list | None:
    """A time zone as data; None where it is one of no known kind."""
    import datetime

    if zone is None:
        return []
    if type(zone) is datetime.timezone:
        offset = zone.utcoffset(None)
        return [offset.days, offset.seconds, offset.microseconds, zone.tzname(None)]
    if (type(zone).__module__, type(zone).__name__) == ("zoneinfo", "ZoneInfo") and zone.key:
        return [zone.key]
    return None


def read_zone(zone: list):
    import datetime

    if not zone:
        return None
    if len(zone) == 1:
        import zoneinfo

        return zoneinfo.ZoneInfo(zone[0])
    offset = datetime.timedelta(*zone[:3])
    if offset == datetime.timedelta(0) and zone[3] == "UTC":
        return datetime.UTC
    plain = datetime.timezone(offset)
    return plain if plain.tzname(None) == zone[3] else datetime.timezone(offset, zone[3])


def read_datetime(inner, other):
    import datetime

    *parts, fold, zone = inner
    return datetime.datetime(*parts, tzinfo=read_zone(zone), fold=fold)


def read_time(inner, other):
    import datetime

    *parts, fold, zone = inner
    return datetime.time(*parts, tzinfo=read_zone(zone), fold=fold)


def read_of_datetime(name: str):
    def read(inner, other):
        import datetime

        return getattr(datetime, name)(*inner)

    return read
