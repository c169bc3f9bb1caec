reach before.yaml --identity devices:acme/thermostat/stolen
