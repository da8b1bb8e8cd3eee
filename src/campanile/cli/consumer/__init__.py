"""Reading events from a message broker and sending them through a server: broker, delivery, dead letters, the loop."""
