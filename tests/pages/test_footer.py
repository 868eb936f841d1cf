"""Under each page stands which version made it; a page that asks to sign in tells strangers nothing."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from postprober import __version__


def _page() -> None:
    import streamlit as st

    from postprober.ui import frame

    with frame.framed():
        st.write("words")
        if st.toggle("stop"):
            st.stop()


def test_a_page_says_its_version_unless_it_stops() -> None:
    app = AppTest.from_function(_page).run()
    assert f">PostProber {__version__}</footer>" in app.get("html")[-1].proto.body
    assert not app.toggle[0].set_value(True).run().get("html")
