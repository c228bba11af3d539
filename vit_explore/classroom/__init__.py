"""What a room needs besides the store, which knows lessons and the people in them (runs/lessons.py): no Streamlit."""
