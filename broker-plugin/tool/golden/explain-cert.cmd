explain before.yaml --cert t-1/cert.pem --client-id t-1 publish ph/v1/acme/thermostat/t-1/telemetry
