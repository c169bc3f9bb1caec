explain before.yaml --cert berlin/cert.pem publish berlin/t-2
