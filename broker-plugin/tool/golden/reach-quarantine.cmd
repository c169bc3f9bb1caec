reach before.yaml --identity devices:acme/thermostat/odd
