reach before.yaml --topic ph/v1/+/thermostat/+/telemetry
