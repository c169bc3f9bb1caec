diff before.yaml after.yaml --inventory inventory.txt
