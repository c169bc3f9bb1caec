reach before.yaml --topic "a/#/b"
