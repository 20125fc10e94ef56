"""The whole local stack: started, deployed to a stand-in, or under sam local."""
