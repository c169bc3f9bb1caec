diff before.yaml after.yaml --inventory inventory-short.txt
