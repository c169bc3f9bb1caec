reach before.yaml --topic ph/v1/acme/thermostat/t-0001/command
