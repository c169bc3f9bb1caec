explain before.yaml --identity devices:acme/thermostat/t-0001 --format json publish $'x\n\e[31m\xff"'
