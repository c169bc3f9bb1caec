diff before.yaml after.yaml --inventory inventory-hostile.txt
