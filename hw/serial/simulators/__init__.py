"""The devices' side of the protocols, as a microcontroller or a switcher does it: for tests, demonstrations and trials.

Pure, like the other side: bytes and time in, bytes and the next timer out. `pty` gives them a port that any program
can open.
"""
