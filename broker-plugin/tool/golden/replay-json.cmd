replay --audit audit.jsonl --policy after.yaml --format json
