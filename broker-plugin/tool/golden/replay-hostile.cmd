replay --audit audit-hostile.jsonl --policy before.yaml --all
