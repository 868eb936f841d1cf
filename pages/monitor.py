"""stub"""
import streamlit as st
from postprober.ui import guard
visit = guard.enter()
st.title("x")
