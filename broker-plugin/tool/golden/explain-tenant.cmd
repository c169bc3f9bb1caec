explain before.yaml --identity devices:other/thermostat/t-1
