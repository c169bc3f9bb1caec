explain key.yaml --cert t-1/cert.pem --format json
