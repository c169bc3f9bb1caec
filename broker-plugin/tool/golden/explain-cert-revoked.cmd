explain before.yaml --cert revoked/cert.pem
