check check.yaml --broker-config open.conf --format json
