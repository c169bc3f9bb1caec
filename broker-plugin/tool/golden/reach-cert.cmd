reach before.yaml --cert t-1/cert.pem
