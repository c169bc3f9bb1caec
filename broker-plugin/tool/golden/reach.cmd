reach before.yaml --identity devices:acme/thermostat/t-0001
