explain before.yaml --identity devices:acme/thermostat/t-0001 --subject "L=Berlin Mitte,O=acme" publish berlin/t-0001
