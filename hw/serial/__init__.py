"""The serial devices of a cath lab: front panel, X-ray contact box, video switcher (docs/serial.md).

`ports` has the seams, `port` the real line by pyserial; `panel`, `xray` and `sis` are our side of each protocol and
`simulators` the devices' side, all of them without port, thread or clock.
"""
