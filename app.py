"""The web app: navigation; each page guards itself. Start it with `python -m postprober up`."""

from postprober.ui import frame

page = frame.navigation()
with frame.framed():
    page.run()
