"""What RQ workers call: thin functions that take ids and call one service. Safe to run twice."""
