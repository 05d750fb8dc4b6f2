"""What a web page says of its video, read as a browser would: pure functions over its text, and the page itself."""
