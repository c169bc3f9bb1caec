explain before.yaml --identity devices:acme/thermostat/t-0001 publish ph/v1/acme/thermostat/t-0001/telemetry
