explain before.yaml --identity devices:acme/thermostat/t-0001 publish $'x\n\e[31m\xff"'
