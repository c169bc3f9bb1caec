explain before.yaml --identity devices:acme/thermostat/odd publish ph/v1/acme/thermostat/odd/telemetry
