"""Components of our own, where Streamlit's would remount, flicker, or cost a round trip to the server."""
