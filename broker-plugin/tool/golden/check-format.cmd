check check.yaml --format xml
