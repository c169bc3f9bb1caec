explain before.yaml --identity devices:acme/thermostat/t-0001 eat x
